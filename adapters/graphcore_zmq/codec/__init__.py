"""Codecs: they turn values into payloads, and payloads into values."""
