"""The frontend: read the users' code and objects, and make IR of them."""
