// Row "update": how many bytes an ldb mirror takes from its peers to come from one snapshot to the next, over the 16 KiB
// blocks that changed.

import type { Row } from "./harness.ts";

export const update: Row = {
  names: ["update"],
  run() {
    const missing = "not yet: there is no ldb mirror";
    return Promise.resolve([{
      row: "update of an ldb mirror, bytes from peers",
      figure: "",
      bars: [],
      missing,
    }]);
  },
};
