"""The backend: it lays out, emits, compiles and runs the function."""
