"""What steers the diffusion model: structure (over time) and timbre (one vector)."""
