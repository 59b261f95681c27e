"""What a data store holds: counted, described in sentences, and drawn."""
