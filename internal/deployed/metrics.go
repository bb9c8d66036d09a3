package deployed

import (
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// MetricNamespace is where CloudWatch keeps the figures of every deployment, told apart by the dimension Deployment.
const MetricNamespace = "IAMSunset"

// figuresTo writes each round's figures as one line of CloudWatch's embedded metric format, out of which CloudWatch Logs
// makes metrics without any call.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
func figuresTo(out io.Writer, stateMachine string, now func() time.Time) func(map[string]float64) {
	return func(figures map[string]float64) {
		type metric struct{ Name, Unit string }
		var metrics []metric
		line := map[string]any{"Deployment": stateMachine[strings.LastIndex(stateMachine, ":")+1:]}
		for _, name := range workflow.MetricNames() {
			if v, ok := figures[name]; ok {
				metrics = append(metrics, metric{name, "Count"})
				line[name] = v
			}
		}
		line["_aws"] = map[string]any{
			"Timestamp": now().UnixMilli(),
			"CloudWatchMetrics": []map[string]any{
				{"Namespace": MetricNamespace, "Dimensions": [][]string{{"Deployment"}}, "Metrics": metrics},
			},
		}
		b, err := json.Marshal(line)
		if err != nil {
			return // numbers and names always marshal
		}
		_, _ = out.Write(append(b, '\n')) // a lost line shows as a missing round
	}
}
