package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

func fakeAccountCommand() *cobra.Command {
	var users int
	var addr string
	cmd := &cobra.Command{
		Use:   "fake-account",
		Short: "Serve an AWS account in memory, to try things on",
		Long: "Serves a made-up AWS account over AWS's own protocol until it is interrupted. Nothing in it is real, and what it is told\n" +
			"to forget is gone. It prints what to export for the AWS CLI and for iam-sunset itself.",
		Example: "  iam-sunset fake-account --users 500 --addr 127.0.0.1:4566\n" +
			"  iam-sunset fake-account",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if users < 0 || users > 5000 {
				return hinted{fmt.Errorf("--users: %d is not a number from 0 to 5000", users), "an AWS account holds at most 5,000 IAM users"}
			}
			now := func() time.Time { return time.Now().UTC() }
			account := fakeaws.New(fakeaws.Config{Now: now})
			populate := func() error { _, err := account.Demo(); return err }
			if users > 0 {
				populate = func() error { return account.Crowd(users) }
			}
			if err := populate(); err != nil {
				return err
			}
			server, err := account.Serve(addr)
			if err != nil {
				return hinted{fmt.Errorf("--addr: %w", err), "choose a free port on 127.0.0.1, such as --addr 127.0.0.1:0"}
			}
			defer server.Close()
			admin := account.Administrator()
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "# a made-up account of %d users; it ends with this process\n", len(account.Users()))
			for _, v := range [][2]string{
				{"AWS_ENDPOINT_URL", server.URL},
				{"AWS_ACCESS_KEY_ID", admin.AccessKeyID},
				{"AWS_SECRET_ACCESS_KEY", admin.SecretAccessKey},
				{"AWS_SESSION_TOKEN", admin.SessionToken},
				{"AWS_REGION", "us-east-1"},
			} {
				fmt.Fprintf(out, "export %s=%s\n", v[0], v[1])
			}
			<-cmd.Context().Done()
			return nil
		},
	}
	cmd.Flags().IntVar(&users, "users", 0, "how many users live in it (0: a small company of two dozen)")
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:4566", "loopback address to serve on; port 0 takes a free one")
	return cmd
}
