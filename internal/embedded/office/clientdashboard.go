package office

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Dashboard asks for a way in to the dashboard, with a proof of who has cfg's credentials. cfg must lead to the STS that the
// engine asks. It is an AccessDenied fault where the engine doesn't take the key, the proof or the account.
func (c *Client) Dashboard(ctx context.Context, cfg aws.Config) (Invitation, error) {
	const doing = "asking for a way in to the dashboard"
	var in Invitation
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path+"dashboard", http.NoBody)
	if err != nil {
		return in, sunset.Faultf(sunset.Invalid, "%s: %w", doing, err)
	}
	resp, err := c.Approvals(cfg)(r, nil)
	if err != nil {
		return in, fmt.Errorf("%s: %w", doing, err)
	}
	defer resp.Body.Close()
	decode := json.NewDecoder(resp.Body)
	if resp.StatusCode != http.StatusOK {
		var no refusal
		if err := decode.Decode(&no); err != nil || no.Kind == "" {
			return in, sunset.Faultf(sunset.Unavailable, "%s: the engine at %s answered %d", doing, c.url, resp.StatusCode)
		}
		return in, fmt.Errorf("%s: %w", doing, no.err())
	}
	if err := decode.Decode(&in); err != nil || !strings.HasPrefix(in.Path, "/dashboard/") {
		return in, sunset.Faultf(sunset.Unavailable, "%s: %w", doing, errors.New("the answer can't be read"))
	}
	return in, nil
}
