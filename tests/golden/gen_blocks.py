#!/usr/bin/env python3
"""Prints tests/golden/blocks.txt: encoded blocks and what the Python package `gguf` decodes them to.

Usage: tests/golden/gen_blocks.py > tests/golden/blocks.txt (needs `pip install gguf`; the result is
committed, so the tests do not). One line per case, all bytes in hexadecimal, floats as the bits of
their little-endian float32:
  decode TYPE BLOCKS FLOATS      the package decodes BLOCKS to FLOATS
  encode TYPE BLOCKS FLOATS      the package encodes FLOATS to BLOCKS
To keep the file small the decoded floats of 256-element blocks are given as their CRC-32 and the
first and last 16 floats: "CRC:FIRST:LAST".
"""
import zlib
import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

SCALES_AT = {  # byte offsets of the F16 fields
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82],
    "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0],
    "IQ1_S": [0], "IQ1_M": [], "IQ2_XXS": [0], "IQ2_XS": [0], "IQ2_S": [0], "IQ3_XXS": [0],
    "IQ3_S": [0],
}
ENCODABLE = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "BF16"]
rng = np.random.default_rng(1)

def scale(n):
    """Scales as files have them, with the odd zero, subnormal and largest one."""
    s = (2.0 ** rng.uniform(-14, 0, n) * rng.choice([-1.0, 1.0], n)).astype("<f2")
    special = np.array([0.0, -0.0, 6e-8, -65504.0], "<f2")
    return np.where(rng.random(n) < 0.15, rng.choice(special, n), s)

def random_blocks(name, n):
    b = rng.integers(0, 256, (n, GGML_QUANT_SIZES[T[name]][1]), dtype=np.uint8)
    for at in SCALES_AT[name]:
        b[:, at:at + 2] = scale(n).view(np.uint8).reshape(n, 2)
    if name == "IQ1_M":  # the F16 scale lies in the top nibbles of four words
        words, d = b[:, 48:56].copy().view("<u2"), scale(n).view("<u2")
        for i in range(4):
            words[:, i] = (words[:, i] & 0x0FFF) | (d >> (4 * i) & 15) << 12
        b[:, 48:56] = words.view(np.uint8)
    return b

def floats_text(f):
    raw = f.astype("<f4").tobytes()
    if f.size <= 64:
        return raw.hex()
    return f"{zlib.crc32(raw):08x}:{raw[:64].hex()}:{raw[-64:].hex()}"

for name in SCALES_AT:
    big = GGML_QUANT_SIZES[T[name]][0] == 256
    for block in random_blocks(name, 8 if big else 6):
        with np.errstate(all="ignore"):
            f = dequantize(block.reshape(1, -1), T[name]).reshape(-1)
        print("decode", name, block.tobytes().hex(), floats_text(f))

for name in ENCODABLE:
    for k in range(6):
        x = (rng.standard_normal(32) * 10.0 ** rng.integers(-4, 3)).astype(np.float32)
        if k == 0: x[:] = 0
        if k == 1: x[5] = x[9] = 40 * np.abs(x).max()  # an outlier, twice
        if k == 2: x[:] = np.round(x)
        with np.errstate(all="ignore"):
            b = quantize(x.reshape(1, -1), T[name])
        print("encode", name, b.tobytes().hex(), floats_text(x))
