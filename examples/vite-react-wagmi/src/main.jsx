import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { UplinkProvider } from "uplink-cache/react";
import { WagmiProvider } from "wagmi";
import { App } from "./App.jsx";
import { cache, config } from "./chain.js";
import "./style.css";

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <WagmiProvider config={config}>
      <QueryClientProvider client={new QueryClient()}>
        <UplinkProvider cache={cache}>
          <App />
        </UplinkProvider>
      </QueryClientProvider>
    </WagmiProvider>
  </StrictMode>,
);
