"""Registries: where publishers register a name and subscribers look it up."""
