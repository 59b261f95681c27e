"""Many renders: found, planned, done in worker processes or on a cluster, and taken up again where they stopped."""
