"""Programs that attacks on the fused tier consisted of, and their siblings."""
