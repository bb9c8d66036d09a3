// Package trail asks CloudTrail's Event History what IAM users did: whether a candidate was used at all, what it did
// last, what it was called before, and whether anything was heard of it in its soak.
//
// Event History holds management events of the last 90 days; S3 objects, Lambda invocations and SES sends are data
// events and not in it. LookupEvents answers two requests a second per account and region, shared with everybody, and
// the limit can't be raised (https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html). So
// each region has one lane that paces itself below that, whoever asks; a Trail should therefore be one a process.
package trail

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/account/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Candidate is a user to ask about. Events are found by name, so former names count; what they prove is matched by
// UserID, which no other user ever has.
type Candidate struct {
	UserID      string
	Name        string
	FormerNames []string
}

// names are all that events of it can bear, each once.
func (c Candidate) names() []string {
	names := []string{c.Name}
	for _, n := range c.FormerNames {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

func (c Candidate) validate() error {
	if c.UserID == "" {
		return sunset.Faultf(sunset.Invalid, "CloudTrail can't be asked about user %q: its UserId is not known", c.Name)
	}
	if slices.Contains(c.names(), "") {
		return sunset.Faultf(sunset.Invalid, "CloudTrail can't be asked about user %s: one of its names is empty", c.UserID)
	}
	return nil
}

// Trail asks CloudTrail. It is safe for several users at once.
type Trail struct {
	cfg     aws.Config
	clock   clock.Clock
	account *account.Client

	mu    sync.Mutex
	lanes map[string]*lane
	paces *paces
}

// paces are those of one account, by region.
type paces struct {
	mu       sync.Mutex
	byRegion map[string]*pace
}

func (p *paces) of(region string) *pace {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byRegion[region] == nil {
		p.byRegion[region] = &pace{}
	}
	return p.byRegion[region]
}

// New is a Trail over cfg's credentials and endpoint. Its CloudTrail clients don't use cfg's retryer: an attempt that
// the SDK made by itself would break a lane's rate.
func New(cfg aws.Config, c clock.Clock) *Trail {
	return &Trail{
		cfg: cfg, clock: c, lanes: map[string]*lane{}, paces: &paces{byRegion: map[string]*pace{}},
		account: account.NewFromConfig(cfg, func(o *account.Options) { o.Region = cmp.Or(o.Region, "us-east-1") }),
	}
}

// As is a Trail of the same account with other credentials. The two together keep to the rate that one may ask at.
func (t *Trail) As(cfg aws.Config) *Trail {
	other := New(cfg, t.clock)
	other.paces = t.paces
	return other
}

// Regions lists the regions that the account has, sorted. One that the caller may not list is an AccessDenied fault
// that names account:ListRegions; so is an endpoint that doesn't know the operation. No region at all is a fault too.
func (t *Trail) Regions(ctx context.Context) ([]string, error) {
	const action = "account:ListRegions"
	pages := account.NewListRegionsPaginator(t.account, &account.ListRegionsInput{
		MaxResults: aws.Int32(50),
		RegionOptStatusContains: []types.RegionOptStatus{
			types.RegionOptStatusEnabled, types.RegionOptStatusEnabledByDefault,
		},
	})
	var regions []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			err = awsfault.Wrap(err, action, "listing the account's regions")
			if awsfault.IsNotOffered(err) {
				return nil, &sunset.Fault{Kind: sunset.AccessDenied, Action: action, Err: err}
			}
			return nil, err
		}
		for _, r := range page.Regions {
			regions = append(regions, aws.ToString(r.RegionName))
		}
	}
	if len(regions) == 0 {
		err := sunset.Faultf(sunset.Internal, "listing the account's regions: %s gave none", action)
		return nil, &sunset.Fault{Kind: sunset.Internal, Action: action, Err: err}
	}
	slices.Sort(regions)
	return slices.Compact(regions), nil
}

// iamRegion is where IAM's own events are, in the partition that cfg is for.
func (t *Trail) iamRegion() string {
	switch {
	case strings.HasPrefix(t.cfg.Region, "cn-"):
		return "cn-north-1"
	case strings.HasPrefix(t.cfg.Region, "us-gov-"):
		return "us-gov-west-1"
	}
	return "us-east-1"
}

func (t *Trail) lane(region string) *lane {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lanes[region]
	if l == nil {
		l = &lane{region: region, clock: t.clock, pace: t.paces.of(region), client: cloudtrail.NewFromConfig(t.cfg, func(o *cloudtrail.Options) {
			o.Region = region
			o.Retryer = aws.NopRetryer{}
		})}
		t.lanes[region] = l
	}
	return l
}
