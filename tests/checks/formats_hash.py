"""The checksums and hashes of docs/formats.md in plain Python: CRC-32C, XXH3-64, and XXH3-128 of more than 240 bytes.

Shares no code with the library; check_formats.py first holds it against tests/vectors.
"""
import struct

M64 = (1 << 64) - 1


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC = _crc_table()


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def fold(digest, following):
    """One step of the digests of a fingerprint."""
    return _mul_fold(digest ^ 0xA0761D6478BD642F, following ^ 0xE7037ED1A0B428DB)


# ---- XXH3, seed 0 ----

_SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")
_P32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
_P64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
_STRIPES = (192 - 64) // 8  # of a block


def _u32(data, at):
    return struct.unpack_from("<I", data, at)[0]


def _u64(data, at):
    return struct.unpack_from("<Q", data, at)[0]


def _mul_fold(a, b):
    product = a * b
    return product & M64 ^ product >> 64


def _avalanche(h):
    h ^= h >> 37
    h = h * 0x165667919E3779F9 & M64
    return h ^ h >> 32


def _avalanche_64(h):
    h ^= h >> 33
    h = h * _P64[1] & M64
    h ^= h >> 29
    h = h * _P64[2] & M64
    return h ^ h >> 32


def _rotate(h, by):
    return (h << by | h >> 64 - by) & M64


def _mix16(data, at, secret):
    return _mul_fold(_u64(data, at) ^ _u64(_SECRET, secret), _u64(data, at + 8) ^ _u64(_SECRET, secret + 8))


def _short(data):
    """Up to 16 bytes."""
    size = len(data)
    if size > 8:
        low = _u64(data, 0) ^ _u64(_SECRET, 24) ^ _u64(_SECRET, 32)
        high = _u64(data, size - 8) ^ _u64(_SECRET, 40) ^ _u64(_SECRET, 48)
        swapped = int.from_bytes(low.to_bytes(8, "little"), "big")
        return _avalanche(size + swapped + high + _mul_fold(low, high) & M64)
    if size > 3:
        h = (_u32(data, size - 4) + (_u32(data, 0) << 32)) ^ _u64(_SECRET, 8) ^ _u64(_SECRET, 16)
        h ^= _rotate(h, 49) ^ _rotate(h, 24)
        h = h * 0x9FB21C651E98DF25 & M64
        h ^= (h >> 35) + size
        h = h * 0x9FB21C651E98DF25 & M64
        return h ^ h >> 28
    if size:
        combined = data[0] << 16 | data[size >> 1] << 24 | data[-1] | size << 8
        return _avalanche_64(combined ^ _u32(_SECRET, 0) ^ _u32(_SECRET, 4))
    return _avalanche_64(_u64(_SECRET, 56) ^ _u64(_SECRET, 64))


def _middle(data):
    """17 to 240 bytes."""
    size = len(data)
    h = size * _P64[0]
    if size <= 128:
        for i in range((size - 1) // 32, -1, -1):
            h += _mix16(data, 16 * i, 32 * i) + _mix16(data, size - 16 * (i + 1), 32 * i + 16)
        return _avalanche(h & M64)
    h = _avalanche(h + sum(_mix16(data, 16 * i, 16 * i) for i in range(8)) & M64)
    h += sum(_mix16(data, 16 * i, 16 * (i - 8) + 3) for i in range(8, size // 16))
    return _avalanche(h + _mix16(data, size - 16, 136 - 17) & M64)


def _accumulate(acc, data, at, secret):
    words = struct.unpack_from("<8Q", data, at)
    for i, (word, key) in enumerate(zip(words, struct.unpack_from("<8Q", _SECRET, secret))):
        key ^= word
        acc[i ^ 1] += word
        acc[i] = acc[i] + (key & 0xFFFFFFFF) * (key >> 32) & M64
    return acc


def _long(data):
    """The accumulators of more than 240 bytes."""
    acc = [_P32[2], _P64[0], _P64[1], _P64[2], _P64[3], _P32[1], _P64[4], _P32[0]]
    scramble = struct.unpack_from("<8Q", _SECRET, 128)
    for stripe in range((len(data) - 1) // 64):
        _accumulate(acc, data, stripe * 64, stripe % _STRIPES * 8)
        if stripe % _STRIPES == _STRIPES - 1:
            acc = [((a ^ a >> 47 ^ key) * _P32[0]) & M64 for a, key in zip((a & M64 for a in acc), scramble)]
    return [a & M64 for a in _accumulate(acc, data, len(data) - 64, 128 - 7)]


def _merge(acc, secret, start):
    for i in range(0, 8, 2):
        start += _mul_fold(acc[i] ^ _u64(_SECRET, secret + 8 * i), acc[i + 1] ^ _u64(_SECRET, secret + 8 * i + 8))
    return _avalanche(start & M64)


def xxh3(data):
    if len(data) <= 16:
        return _short(data)
    if len(data) <= 240:
        return _middle(data)
    return _merge(_long(data), 11, len(data) * _P64[0] & M64)


def xxh3_128_hex(data):
    """Of more than 240 bytes: the plans and program texts that it is taken of are longer."""
    assert len(data) > 240
    acc = _long(data)
    high = _merge(acc, 192 - 64 - 11, ~(len(data) * _P64[1]) & M64)
    return "%016x%016x" % (high, _merge(acc, 11, len(data) * _P64[0] & M64))
