"""EMM: trained single-task models, taken apart and fused into one multi-task model."""
