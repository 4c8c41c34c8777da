"""From a kernel to machine code, and the memory that it works on."""
