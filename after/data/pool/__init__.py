"""Work on many items in worker processes of this machine, or of a cluster."""
