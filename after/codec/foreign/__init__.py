"""Codecs that other programs trained: TorchScript files with methods `encode` and `decode`, as RAVE exports them."""
