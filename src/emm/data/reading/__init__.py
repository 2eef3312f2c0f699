"""Raw text to rows that can be used, a block at a time."""
