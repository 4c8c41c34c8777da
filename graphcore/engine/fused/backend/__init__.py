"""The backend: lay out the variables, emit the function, compile it and run it."""
