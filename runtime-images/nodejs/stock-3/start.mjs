// Starts AWS's client without the line that its own command prints into the function's log.
import { run } from "aws-lambda-ric";

await run(process.cwd(), process.argv[2]);
