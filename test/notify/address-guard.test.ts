import { expect, it } from "vitest";
import { refusedAddress } from "../../src/notify/address-guard.ts";

it.each(["1.1.1.1", "140.82.121.3", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])(
  "lets the public address %s through",
  (address) => {
    expect(refusedAddress(address, false)).toBeNull();
  },
);

const OWN = ["10.1.2.3", "172.31.0.1", "192.168.1.1", "127.0.0.1", "127.8.8.8", "::1", "100.64.0.1", "fd00::1"];
const OWN_IN_IPV6 = ["::ffff:10.0.0.1", "::ffff:7f00:1", "64:ff9b::7f00:1", "64:ff9b::a00:1"];
it.each([...OWN, ...OWN_IN_IPV6])("refuses %s unless its host is in notify.allowPrivate", (address) => {
  expect(refusedAddress(address, false)).not.toBeNull();
  expect(refusedAddress(address, true)).toBeNull();
});

it.each([
  ...["169.254.169.254", "::ffff:169.254.169.254", "fe80::1%eth0", "0.0.0.0", "::", "224.0.0.1", "ff02::1"],
  ...["255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1", "2001:db8::1", "2002:7f00:1::", "::7f00:1"],
  ...["64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "fec0::1", "2001::1", "nonsense", ""],
])("always refuses %s", (address) => {
  expect([refusedAddress(address, false), refusedAddress(address, true)]).not.toContain(null);
});
