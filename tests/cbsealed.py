#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An independent reader of encrypted footage, written from cb-store(5) alone.

cbsealed.py vector                      the example of the page: the box, then the commitment
cbsealed.py plain STORE IDENTITY OUT    what STORE would be, had it not been encrypted: OUT/cameras
cbsealed.py salts STORE IDENTITY        "segment number salt" a line, as an export reveals them
Exit 65 with a message where something is not as the page says."""
import glob
import hashlib
import os
import re
import struct
import sys

from agevec import BASE, CHARSET, b64, chacha_block, hkdf, x25519
import base64
import hmac

UUID = bytes.fromhex("f41b386541b059439956744922508a92")


class Bad(Exception):
    pass


def need(truth, what):
    if not truth:
        raise Bad(what)


# --- XChaCha20-Poly1305, draft-irtf-cfrg-xchacha-03 ----------------------------------------------

def hchacha20(key, nonce):
    # the block function without its last addition: take the state off again
    block = struct.unpack("<16I", chacha_block(key, struct.unpack("<I", nonce[:4])[0], nonce[4:]))
    start = struct.unpack("<16I", b"expand 32-byte k" + key + nonce)
    w = [(a - b) & 0xffffffff for a, b in zip(block, start)]
    return struct.pack("<8I", *(w[:4] + w[12:]))


def xor(key, nonce, data):
    out = bytearray()
    for i in range(0, len(data), 64):
        part = data[i:i + 64]
        stream = chacha_block(key, 1 + i // 64, nonce)[:len(part)]
        out += (int.from_bytes(part, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(part), "big")
    return bytes(out)


def tag(key, nonce, ad, text):
    one = chacha_block(key, 0, nonce)
    r = int.from_bytes(one[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    data = ad + bytes(-len(ad) % 16) + text + bytes(-len(text) % 16) + struct.pack("<QQ", len(ad), len(text))
    acc = 0
    for i in range(0, len(data), 16):
        acc = (acc + int.from_bytes(data[i:i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((acc + int.from_bytes(one[16:32], "little")) & (2**128 - 1)).to_bytes(16, "little")


def xseal(key, nonce, ad, plain):
    sub, n = hchacha20(key, nonce[:16]), bytes(4) + nonce[16:]
    text = xor(sub, n, plain)
    return text + tag(sub, n, ad, text)


def xopen(key, nonce, ad, sealed):
    sub, n = hchacha20(key, nonce[:16]), bytes(4) + nonce[16:]
    need(tag(sub, n, ad, sealed[:-16]) == sealed[-16:], "a piece: its tag")
    return xor(sub, n, sealed[:-16])


# --- age ------------------------------------------------------------------------------------------

def identity(path):
    for line in open(path):
        if line.startswith("AGE-SECRET-KEY-1"):
            bits = "".join(f"{CHARSET.index(c):05b}" for c in line.strip().lower()[16:-6])
            return int(bits[:256], 2).to_bytes(32, "big")
    raise Bad("no identity")


def unb64(text):
    return base64.b64decode(text + b"=" * (-len(text) % 4))


def aead_open(key, nonce, text):
    need(tag(key, nonce, b"", text[:-16]) == text[-16:], "age: a tag")
    return xor(key, nonce, text[:-16])


def unwrap(data, secret):
    end = data.index(b"\n--- ") + 1
    mac_end = data.index(b"\n", end)
    lines = data[:end].split(b"\n")
    need(lines[0] == b"age-encryption.org/v1", "age: its version")
    public = x25519(secret, BASE)
    for i, line in enumerate(lines):
        if not line.startswith(b"-> X25519 "):
            continue
        share = unb64(line[10:])
        wrap = hkdf(x25519(secret, share), share + public, b"age-encryption.org/v1/X25519")
        try:
            key = aead_open(wrap, bytes(12), unb64(lines[i + 1]))
        except Bad:
            continue
        mac = hmac.digest(hkdf(key, b"", b"header"), data[:end + 3], "sha256")
        need(data[end + 4:mac_end] == b64(mac), "age: the header's MAC")
        payload = data[mac_end + 1:]
        return aead_open(hkdf(key, payload[:16], b"payload"), bytes(11) + b"\1", payload[16:])
    raise Bad("age: not for this identity")


# --- the store --------------------------------------------------------------------------------------

def name_of(key):
    return hashlib.sha256(b"cb-day-key 1\n" + key).hexdigest()[:32]


def box(key, camera, segment, number, random, salt, plain):
    head = struct.pack(">I", len(plain) + 96) + b"uuid" + UUID + b"\1\0\0\0" + struct.pack("<I", number) + \
        random + b"\0\0"
    nonce = bytes.fromhex(segment) + struct.pack("<I", number) + random
    return head + xseal(key, nonce, head + segment.encode() + camera.encode(), salt + plain)


def open_box(key, camera, segment, number, data):
    head = data[:48]
    need(head == struct.pack(">I", len(data)) + b"uuid" + UUID + b"\1\0\0\0" + struct.pack("<I", number) +
         head[32:46] + b"\0\0", "a piece: its head")
    nonce = bytes.fromhex(segment) + struct.pack("<I", number) + head[32:46]
    text = xopen(key, nonce, head + segment.encode() + camera.encode(), data[48:])
    return text[:32], text[32:]


def day_key(store, camera, name, secret):
    raw = open(f"{store}/keys/cameras/{camera}/{name}.age", "rb").read()
    m = re.fullmatch(rb"cb-day-key 1\ncamera (\S+)\nday (\S+)\nkey ([0-9a-f]{64})\n", unwrap(raw, secret))
    need(m and m[1].decode() == camera and m[2].decode() == name[:10], "a day key: its lines")
    key = bytes.fromhex(m[3].decode())
    need(name == m[2].decode() + "-" + name_of(key), "a day key: its name")
    return key


def segments(store, secret):
    """Each encrypted segment: its manifest's words, and (salt, plaintext) of each numbered line."""
    for path in sorted(glob.glob(f"{store}/cameras/*/*/*.manifest")):
        words = [x.split(" ") for x in open(path).read().split("\n")[:-1]]
        need(words[0] == ["cb-manifest", "2"] and words[7][0] == "key", f"{path}: its head")
        camera, segment = words[1][1], words[2][1]
        key = day_key(store, camera, words[7][1], secret)
        data = open(path[:-9] + ".mp4", "rb").read()
        pieces = []
        for w in words:
            if not w[0].isdigit():
                continue
            need(len(w) == 11, f"{path}: a line's words")
            raw = data[int(w[1]):int(w[1]) + int(w[2])]
            need(hashlib.sha256(raw).hexdigest() == w[3], f"{path}: piece {w[0]}: stored bytes")
            salt, plain = open_box(key, camera, segment, int(w[0]), raw)
            need(hashlib.sha256(salt + plain).hexdigest() == w[10], f"{path}: piece {w[0]}: commitment")
            pieces.append((salt, plain))
        yield os.path.relpath(path, store), words, pieces


def plain_store(store, secret, out):
    for path, words, pieces in segments(store, secret):
        words[0][1] = "1"
        del words[7]
        at = 0
        for w in words:
            if w[0].isdigit():
                plain = pieces[int(w[0])][1]
                w[1:4], at = [str(at), str(len(plain)), hashlib.sha256(plain).hexdigest()], at + len(plain)
                del w[10]
            elif w[0] == "end":
                w[4] = str(at)
        need(words[-1][0] == "digest", f"{path}: its end")
        text = "".join(" ".join(w) + "\n" for w in words[:-1])
        text += "digest " + hashlib.sha256(text.encode()).hexdigest() + "\n"
        os.makedirs(os.path.dirname(f"{out}/{path}"), exist_ok=True)
        with open(f"{out}/{path}", "w") as f:
            f.write(text)
        with open(f"{out}/{path[:-9]}.mp4", "wb") as f:
            f.write(b"".join(p for _, p in pieces))


def main():
    verb = sys.argv[1]
    if verb == "vector":
        key, salt, plain = bytes(range(32)), bytes(range(0x40, 0x60)), b"one group of pictures"
        need(name_of(key) == "48ea2b25ab49131b697445ba5862793c", "the key's name: " + name_of(key))
        print(box(key, "front", "aa4d9c7ba453", 1, bytes(range(0xa0, 0xae)), salt, plain).hex())
        print(hashlib.sha256(salt + plain).hexdigest())
    elif verb == "plain":
        plain_store(sys.argv[2], identity(sys.argv[3]), sys.argv[4])
    elif verb == "salts":
        for path, words, pieces in segments(sys.argv[2], identity(sys.argv[3])):
            for i, (salt, _) in enumerate(pieces):
                print(words[2][1], i, salt.hex())
    else:
        sys.exit(64)


if __name__ == "__main__":
    try:
        main()
    except Bad as e:
        print(f"cbsealed.py: {e}", file=sys.stderr)
        sys.exit(65)
