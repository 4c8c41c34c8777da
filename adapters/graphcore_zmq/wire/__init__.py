"""The bytes that publishers and subscribers exchange."""
