import * as uplink from "uplink-cache";
import { live } from "./dapp.js";
import { setup, show } from "./page.js";

live(uplink, setup, show);
