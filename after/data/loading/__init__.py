"""Training items: random excerpts of a store as a function of seed, iteration and item."""
