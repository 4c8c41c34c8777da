"""The frontend: it reads the users' code and objects, and makes the IR of them."""
