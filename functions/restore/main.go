// Command restore is the Lambda function of that name.
package main

import (
	"github.com/iam-sunset/iam-sunset/internal/deployed"
)

func main() { deployed.Main("restore") }
