// A server component: importing the package there runs nothing, and opening a cache is refused with a code.
import { evm, openCache } from "uplink-cache";
import { Dapp } from "./dapp.js";

export default async function Page() {
  const gateway = evm({ urls: ["http://127.0.0.1:1"], chainId: 1 });
  const { code } = await openCache({ name: "server", gateway }).catch((error) => error);
  return (
    <main>
      <p id="server">{code}</p>
      <Dapp />
    </main>
  );
}
