import loadWasm, { init } from "./package/distcompute_client.js";
import { answerPage } from "./page.js";

answerPage(async () => (await loadWasm(), init));
