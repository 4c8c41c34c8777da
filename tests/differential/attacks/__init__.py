"""Programs that once broke the fused tier, and variants of them."""
