"""How good a render is: pitch, onsets, timbre, dynamics, silence; the same figures for recordings of real players."""
