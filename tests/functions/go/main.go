// A function on AWS's Go runtime client: CGO_ENABLED=0 go build -tags lambda.norpc -o bootstrap
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do      string          `json:"do"`
	Message string          `json:"message"`
	Seconds float64         `json:"seconds"`
	Status  int             `json:"status"`
	Bytes   int             `json:"bytes"`
	Payload json.RawMessage `json:"payload"`
}

type outOfStock struct{ message string }

func (e *outOfStock) Error() string { return e.message }

func handle(ctx context.Context, e event) (any, error) {
	switch e.Do {
	case "error":
		return nil, errors.New(e.Message)
	case "typed error":
		return nil, &outOfStock{e.Message}
	case "panic":
		panic(e.Message)
	case "exit":
		os.Exit(e.Status)
	case "sleep":
		time.Sleep(time.Duration(e.Seconds * float64(time.Second)))
	case "big":
		return string(make([]byte, e.Bytes)), nil
	case "nothing":
		return nil, nil
	case "print":
		fmt.Println(e.Message)
	case "context":
		return describe(ctx), nil
	}
	return e.Payload, nil
}

func describe(ctx context.Context) map[string]any {
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	return map[string]any{
		"awsRequestId":       lc.AwsRequestID,
		"invokedFunctionArn": lc.InvokedFunctionArn,
		"clientContext":      lc.ClientContext,
		"functionName":       lambdacontext.FunctionName,
		"functionVersion":    lambdacontext.FunctionVersion,
		"memoryLimitInMb":    lambdacontext.MemoryLimitInMB,
		"logGroupName":       lambdacontext.LogGroupName,
		"logStreamName":      lambdacontext.LogStreamName,
		"remainingMs":        time.Until(deadline).Milliseconds(),
		"traceId":            os.Getenv("_X_AMZN_TRACE_ID"),
	}
}

func main() { lambda.Start(handle) }
