// Command crosscheck-cloudtrail is the Lambda function of that name.
package main

import (
	"log"

	"github.com/iam-sunset/iam-sunset/internal/deployed"
)

func main() { log.Fatal(deployed.Serve("crosscheck-cloudtrail")) }
