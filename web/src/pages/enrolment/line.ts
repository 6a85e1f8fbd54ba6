/**
 * The line that enrols a host: it asks for the token, keeps it in a file for root only, and removes the file.
 * Addresses come from the platform; anything that a shell would understand otherwise is left out.
 */
export function enrolLine(server: string, relay: string | null): string {
  const plain = (address: string) => address.replaceAll(/[^\w.:[\]-]/g, '');
  const way = relay ? ` --relay ${plain(relay)}` : '';
  return `sudo sh -c 'umask 077; echo "Paste the token:"; head -n 1 > /run/netpatch-token; netpatch-agent enroll --server ${plain(server)} --token-file /run/netpatch-token${way}; rm -f /run/netpatch-token'`;
}
