"""The codec as a host runs it: an owner of state whose methods take and give [B, C, T] tensors, ready for TorchScript.

`after.streaming.host` tells what hosts expect.
"""

import torch
from torch import Tensor, nn

from after.codec.load import AnyCodec
from after.streaming.host import check_block, describe_attribute, describe_method, is_stale


class CodecStreamer(nn.Module):
    """Stream a codec: `encode`, `decode`, and `forward`, which does both.

    Each method goes on where its last call ended; another batch size, or `set_reset`, begins anew.

    Args:
        codec: in evaluation mode.
    """

    encode_state: list[Tensor]
    decode_state: list[Tensor]

    def __init__(self, codec: AnyCodec) -> None:
        super().__init__()
        self.encoder = codec.encoder
        self.decoder = codec.decoder
        self.num_latents = codec.num_latents
        self.hop_length = codec.hop_length
        self.encode_state = []
        self.decode_state = []
        hop = codec.hop_length
        describe_method(self, "encode", (1, 1, codec.num_latents, hop), "audio", "latent")
        describe_method(self, "decode", (codec.num_latents, hop, 1, 1), "latent", "audio")
        # a host computes hop samples at a time at least, because the ratio of another method asks for it
        describe_method(self, "forward", (1, 1, 1, 1), "audio", "audio")
        describe_attribute(self, "reset", is_int=True)

    @torch.jit.export
    def encode(self, audio: Tensor) -> Tensor:
        """Turn a block of audio [B, 1, L * hop] into latents [B, D, L], without lag."""
        check_block(audio, 1, self.hop_length)
        if is_stale(self.encode_state, audio):
            self.encode_state = self.encoder.init_state(audio.size(0))
        x = torch.nan_to_num(audio).transpose(1, 2)
        latents, self.encode_state = self.encoder.step(x, self.encode_state)
        return latents.transpose(1, 2).contiguous()

    @torch.jit.export
    def decode(self, latents: Tensor) -> Tensor:
        """Turn a block of latents [B, D, L] into audio [B, 1, L * hop], lagging by the codec's latency."""
        check_block(latents, self.num_latents, 1)
        if is_stale(self.decode_state, latents):
            self.decode_state = self.decoder.init_state(latents.size(0))
        x = torch.nan_to_num(latents).transpose(1, 2)
        audio, self.decode_state = self.decoder.step(x, self.decode_state)
        return audio.transpose(1, 2).contiguous()

    def forward(self, audio: Tensor) -> Tensor:
        """Encode and decode a block of audio [B, 1, L * hop], lagging by the codec's latency."""
        return self.decode(self.encode(audio))

    @torch.jit.export
    def decode_alone(self, latents: Tensor) -> Tensor:
        """Decode a whole sequence [B, D, L] without lag; the streams go on unchanged."""
        audio: Tensor = self.decoder(latents.transpose(1, 2))
        return audio.transpose(1, 2).contiguous()

    @torch.jit.export
    def get_methods(self) -> list[str]:
        """List what a host may run."""
        return ["encode", "decode", "forward"]

    @torch.jit.export
    def get_attributes(self) -> list[str]:
        """List what a host may set."""
        return ["reset"]

    @torch.jit.export
    def get_reset(self) -> tuple[int]:
        """Give 0."""
        return (0,)

    @torch.jit.export
    def set_reset(self, value: int) -> int:
        """Forget everything heard, whatever the value."""
        self.encode_state = []
        self.decode_state = []
        return 0
