package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/identity"
	"github.com/iam-sunset/iam-sunset/internal/embedded/office"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// servedBy is who runs the engines of these tests.
const servedBy = "arn:aws:sts::123456789012:assumed-role/box/serve"

// asEngine makes a machine one that is reached by its address: with a key in a file, an office, and callers whom STS proves.
func (s *site) asEngine(dir string, cfg *onemachine.Config) error {
	key, err := signature.NewKey(rand.Reader)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "credentials")
	if err := os.WriteFile(file, fmt.Appendf(nil, "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key.ID, key.Secret), 0o600); err != nil {
		return err
	}
	checker := identity.NewChecker(cfg.AWS, key.ID, clock.Wall{}.Now)
	cfg.Key, cfg.Identify, cfg.Self = key, checker.Starter, servedBy
	cfg.Office = func(m *onemachine.Machine) http.Handler {
		restore := m.Functions()["restore"]
		return office.New(office.Config{
			Key: key, Workflow: m.Workflow, Identity: checker, Rights: office.Operators(), Account: cfg.AccountID, Region: cfg.Region, Version: "test",
			Credentials: file, Hold: s.clock.Hold,
			Restore: func(ctx context.Context, payload []byte) ([]byte, error) {
				var in workflow.Invocation
				if err := json.Unmarshal(payload, &in); err == nil && in.Rescue != nil && s.rescue != nil {
					if err := s.rescue(in.Rescue.UserID); err != nil {
						return nil, err
					}
				}
				return restore(ctx, payload)
			},
		})
	}
	return nil
}

// reachEngine reaches the site by its address, as whoever operates or decides.
func (s *site) reachEngine() reach {
	by := func(who *string) reach {
		return engine(s.clock, func(context.Context) (aws.Config, error) { return s.as(*who), nil })
	}
	return reach{
		station: func(ctx context.Context, _ string) (station, error) {
			return by(&s.operator).station(ctx, s.machine.EngineURL)
		},
		counter: func(ctx context.Context, _ string) (counter, error) {
			return by(&s.decider).counter(ctx, s.machine.EngineURL)
		},
	}
}

// as is the configuration of the session of a role, which may do everything.
func (s *site) as(arn string) aws.Config {
	role, session, _ := strings.Cut(arn[strings.Index(arn, "/")+1:], "/")
	c := s.sessions[arn]
	if c.AccessKeyID == "" {
		if !s.roles[role] {
			s.account.AddRole(fakeaws.RoleSpec{
				Name: role, CreatedAt: s.clock.Now().AddDate(-1, 0, 0), Inline: map[string]string{"all": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`},
			})
			s.roles[role] = true
		}
		c = s.account.RoleSession(role, session)
		s.sessions[arn] = c
	}
	cfg := s.aws.Copy()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	return cfg
}
