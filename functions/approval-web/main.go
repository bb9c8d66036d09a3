// Command approval-web is the Lambda function behind the approvers' pages.
package main

import (
	"log"

	"github.com/iam-sunset/iam-sunset/internal/deployed"
)

func main() { log.Fatal(deployed.ServePages()) }
