"""Streaming layers: the same result on a whole sequence and block by block."""
