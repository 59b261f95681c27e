"""Features of stored audio, each optional: computed once, stored beside the audio, frame by frame."""
