import { useList } from "uplink-cache/react";
import { stringToHex } from "viem";
import { useSendTransaction, useWaitForTransactionReceipt } from "wagmi";
import { account } from "./chain.js";

export function App() {
  return (
    <>
      <h1>Notes by wagmi</h1>
      <p>
        Each note is a transaction of <code id="address">{account.address}</code> to itself.
      </p>
      <Compose />
      <Notes />
    </>
  );
}

/** wagmi's own hooks: nothing here knows of the cache. */
function Compose() {
  const { mutate: send, data: hash, error } = useSendTransaction();
  const { data: receipt } = useWaitForTransactionReceipt({ hash });
  const write = (form) => {
    send({ account, to: account.address, data: stringToHex(form.get("text")) });
  };
  return (
    <form action={write}>
      <input name="text" aria-label="Note" required maxLength={200} autoComplete="off" />
      <button type="submit">Write</button>
      <output>
        {error?.shortMessage ??
          (receipt && `in block ${receipt.blockNumber}`) ??
          hash?.slice(0, 10)}
      </output>
    </form>
  );
}

function Notes() {
  const { items } = useList({ tag: ["kind", "note"], limit: 50 });
  return (
    <ul>
      {items.map(({ key, value, status }) => (
        <li key={key} data-status={status}>
          {value.text}
        </li>
      ))}
    </ul>
  );
}
