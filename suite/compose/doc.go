// Command compose runs docker-compose.yml for real and holds it to what it promises: healthy within a minute with a filled demo, nothing missing after any
// service or store was killed, two of each service side by side, locked containers, roles that see their own schema only, doors that
// let nobody in without a token or a certificate, every call of the cookbook, and no secret in any log. It needs a Docker engine; scripts/compose-test.sh says so where there is none.
package main
