"""What type checkers know of streams beyond the methods themselves; nothing runs here."""
