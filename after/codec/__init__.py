"""The neural audio codec: waveform to latent frames and back, causally."""
