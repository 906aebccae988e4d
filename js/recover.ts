// Elliptic curves, loaded only when somebody's signature is looked at.
import { Point, recoverPublicKey } from "@noble/secp256k1";

const RECOVERED_LENGTH = 65;

/** The coordinates of the public key whose owner signed the hash (64 bytes); nothing where no key did. */
export function recover(
  hash: Uint8Array,
  signature: Uint8Array,
  yParity: number,
): Uint8Array | undefined {
  const recovered = new Uint8Array(RECOVERED_LENGTH);
  recovered[0] = yParity;
  recovered.set(signature, 1);
  try {
    const compressed = recoverPublicKey(recovered, hash, { prehash: false });
    return Point.fromBytes(compressed).toBytes(false).slice(1);
  } catch {
    return undefined;
  }
}
