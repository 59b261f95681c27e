"""Make and continue a data store from files of audio."""
