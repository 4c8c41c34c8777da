"""From the text of a fused function to a kernel."""
