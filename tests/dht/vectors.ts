// BEP 44 and BEP 46 items with known targets and signatures (the published ones, and libtorrent's), and datagrams that
// libtorrent 2.0.8 sent on loopback.

import { parseHex, utf8 } from "../../lib/bytes.ts";

export const hex = (text: string): Uint8Array => parseHex(text)!;

/** The project's pair: seed 00 01 … 1f. */
export const SEED = Uint8Array.from({ length: 32 }, (_, i) => i);
export const KEY = hex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
export const DAILY = utf8("daily");
/** `32:` and the bytes 00 01 … 1f. */
export const VALUE = Uint8Array.from([...utf8("32:"), ...SEED]);
const NONE = new Uint8Array(0);
const BEP44_KEY = hex("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548");
const HELLO = utf8("12:Hello World!");

export interface ItemVector {
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly salt: Uint8Array;
  readonly seq: number;
  readonly value: Uint8Array;
  readonly signature: Uint8Array;
  readonly target: string;
  /** Whether SEED signs it. */
  readonly ours: boolean;
}

export const ITEMS: readonly ItemVector[] = [
  {
    name: "BEP 44 without salt",
    publicKey: BEP44_KEY,
    salt: NONE,
    seq: 1,
    value: HELLO,
    signature: hex(
      "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff" +
        "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01",
    ),
    target: "4a533d47ec9c7d95b1ad75f576cffc641853b750",
    ours: false,
  },
  {
    name: "BEP 44 with salt",
    publicKey: BEP44_KEY,
    salt: utf8("foobar"),
    seq: 1,
    value: HELLO,
    signature: hex(
      "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d" +
        "df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08",
    ),
    target: "411eba73b6f087ca51a3795d9c8c938d365e32c1",
    ours: false,
  },
  {
    name: "raw 32 bytes, salt daily, seq 1",
    publicKey: KEY,
    salt: DAILY,
    seq: 1,
    value: VALUE,
    signature: hex(
      "d4f56282d42f93af53e9cd1bc0a74a4a8e06a73a91ae3473d7648063dcabd29b" +
        "34580a62869d07c185bd1fea1f351d065c6eb847e02f9069f6ec650c9526b50d",
    ),
    target: "3a7ff6948c6774f1e65aa647120b96ecbbe6ab0c",
    ours: true,
  },
  {
    name: "raw 32 bytes, salt daily, seq 2",
    publicKey: KEY,
    salt: DAILY,
    seq: 2,
    value: VALUE,
    signature: hex(
      "54b0c78203ab633d31bb79acabc71a2b9b1db93993fd0b9583458201a8a81ed0" +
        "d2c02d5f537caa687c2fd5a0906670afbd20ba10f52891b94710109da1cab501",
    ),
    target: "3a7ff6948c6774f1e65aa647120b96ecbbe6ab0c",
    ours: true,
  },
  {
    name: "raw 32 bytes without salt",
    publicKey: KEY,
    salt: NONE,
    seq: 1,
    value: VALUE,
    signature: hex(
      "569e325695f20e51584f207ceb42823ccb84def5524f2730b7e0540175e393fb" +
        "8c8696abacaa5f23aa015ad1ca441fb832e6a6788f56b2f53ddd45159ef5e903",
    ),
    target: "fd81a6db64d6faf7f702c07971a82c25c1dc3c90",
    ours: true,
  },
  {
    name: "BEP 46 dict, salt daily",
    publicKey: KEY,
    salt: DAILY,
    seq: 1,
    value: Uint8Array.from([...utf8("d2:ih20:"), ...SEED.subarray(0, 20), ...utf8("e")]),
    signature: hex(
      "fe590dfd198e596d22059b413d484dc6de89fb1f4006223a6c7cbd539fa8f1f5" +
        "f915cd0c94e8566f5e762a86b7a4caa610f6e5ec7e8cbec889d7194d1fbb9604",
    ),
    target: "3a7ff6948c6774f1e65aa647120b96ecbbe6ab0c",
    ours: true,
  },
  {
    name: "upstream's seq 1370",
    publicKey: KEY,
    salt: DAILY,
    seq: 1370,
    value: Uint8Array.from([...utf8("32:"), ...new Uint8Array(32).fill(0xab)]),
    signature: hex(
      "73b2e46f209b0d3c4425d62d8333718558484828abbf9d85aede5c286ffc0663" +
        "6fe174cdb44124b2397603b29803e8b5a38b62b6952aabb11adde93fd758cf00",
    ),
    target: "3a7ff6948c6774f1e65aa647120b96ecbbe6ab0c",
    ours: true,
  },
];

/** What libtorrent 2.0.8 answered on loopback to a client with transaction id "zz". */
export const LIBTORRENT = {
  ping: hex(
    "64323a6970363a7f000001d9ad313a7264323a696432303ad19555a4182a7f15b2255142d54c76178d50ea87" +
      "313a706935353732356565313a74323a7a7a313a76343a4c540208313a79313a7265",
  ),
  /** With 8 nodes, a token of 4 bytes and one peer. */
  getPeers: hex(
    "64323a6970363a7f000001d9ad313a7264323a696432303ad19555a4182a7f15b2255142d54c76178d50ea87353a6e6f6465733230383a" +
      "304f83fb63a9d17f1e03dc515a5fafa37e41331a7f0000019d43346e013e71d424ba4d9dd3e9c3729541656debb87f000001b1" +
      "09449855b1c1151838baabbf7d9a4afc8ce07a530b7f0000019b5555555555555555555555555555555555555555557f000001d9" +
      "ad71cf5a82d6476f2e1522349ba1023806c53b66317f000001a841987d4ae4f80f6a42a640fc63e9f3b271029055f67f000001b1" +
      "edbb80084afeb86d0a7ac858e79761c1375a5139527f0000019f4ddb9c1197dc3a163fbad3a8478eceb9ba100b5ab57f000001a3" +
      "8d313a7069353537323565353a746f6b656e343a3c95f065363a76616c7565736c363a7f00000112676565" +
      "313a74323a7a7a313a76343a4c540208313a79313a7265",
  ),
  /** To a put with a wrong token: carries both `e` and `r`. */
  refusal: hex(
    "64313a656c693230336531333a696e76616c696420746f6b656e65323a6970363a7f000001d9ad313a7264323a696432303a" +
      "d19555a4182a7f15b2255142d54c76178d50ea87313a706935353732356565313a74323a7a7a313a76343a4c540208313a79313a6565",
  ),
} as const;
