"""Latent diffusion: the path from noise to data, the networks that walk it, the samplers."""
