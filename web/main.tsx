import { render } from "preact";
import "./style/tokens.css";
import "./style/base.css";
import "./style/frame.css";
import "./style/parts.css";
import "./style/overview.css";
import "./style/items.css";
import "./style/views.css";
import { App } from "./app.tsx";
import { listenForKeys } from "./keys.ts";
import { begin, stayLive } from "./live.ts";
import { followAddress } from "./route.ts";
import { exchangeToken } from "./sign-in.ts";
import { useRememberedTheme } from "./theme.ts";
import { tokenOf } from "./token.ts";

useRememberedTheme();
const exchanged = exchangeToken();
addEventListener("hashchange", () => {
  // A new link that was opened in the same tab.
  if (tokenOf(location.hash) !== null) void exchangeToken().then(begin);
});
followAddress();
listenForKeys();
render(<App />, document.querySelector("#page")!);
void exchanged.then(stayLive);
