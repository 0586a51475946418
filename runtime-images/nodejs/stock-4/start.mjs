// Starts AWS's client, which reads the handler from the environment.
import "aws-lambda-ric";
