/**
 * Owns which of this machine's settings go into a bare root: where packages come from, through which
 * proxies, and which certificates are trusted. They are read where each program keeps them. Nothing
 * else of the environment, of npm's or of apt's configuration goes in, since it could stand for
 * something that a command should have seen to itself.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname } from 'node:path';

/** What most programs of Debian trust. */
const bundle = '/etc/ssl/certs/ca-certificates.crt';
/** What this machine trusts, in a bare root: a file that no package writes over. */
const bundleInside = '/etc/ssl/machine-certificates.pem';
/** Authorities of this machine's own, which Debian's ca-certificates adds to its bundle. */
const ownAuthorities = '/usr/local/share/ca-certificates';

function output(command, args) {
  const { status, stdout } = spawnSync(command, args, { cwd: '/', encoding: 'utf8' });
  return status === 0 ? stdout : '';
}

function npmSettings() {
  const all = JSON.parse(output('npm', ['config', 'ls', '--long', '--json']) || '{}');
  const text = (value) => (typeof value === 'string' && value !== '' ? value : undefined);
  return {
    cafile: text(all.cafile),
    env: {
      npm_config_registry: text(all.registry),
      npm_config_proxy: text(all.proxy),
      npm_config_https_proxy: text(all['https-proxy']),
    },
  };
}

/** pip's settings of where packages come from, as the environment variables that it reads. */
function pipSettings() {
  const names = ['index-url', 'extra-index-url', 'trusted-host', 'proxy', 'timeout', 'retries'];
  const files = [
    '/etc/pip.conf',
    `${homedir()}/.pip/pip.conf`,
    `${homedir()}/.config/pip/pip.conf`,
  ];
  const env = {};
  for (const file of files.filter((path) => existsSync(path))) {
    for (const [, name, value] of readFileSync(file, 'utf8').matchAll(
      /^([a-z-]+)\s*[=:]\s*(.+)$/gm,
    )) {
      if (names.includes(name))
        env[`PIP_${name.replaceAll('-', '_').toUpperCase()}`] = value.trim();
    }
  }
  const fromEnvironment = [...names, 'default-timeout'].map(
    (name) => `PIP_${name.replaceAll('-', '_').toUpperCase()}`,
  );
  for (const name of fromEnvironment) env[name] = process.env[name] ?? env[name];
  return env;
}

function proxySettings() {
  const names = ['http_proxy', 'https_proxy', 'no_proxy', 'all_proxy'];
  const both = names.flatMap((name) => [name, name.toUpperCase()]);
  return Object.fromEntries(both.map((name) => [name, process.env[name]]));
}

/** Files of certificates that a program of this machine is told to trust, the bundle first. */
function trustedFiles(npmCafile) {
  const { NODE_EXTRA_CA_CERTS, SSL_CERT_FILE, PIP_CERT } = process.env;
  const files = [bundle, npmCafile, NODE_EXTRA_CA_CERTS, SSL_CERT_FILE, PIP_CERT];
  return [...new Set(files)].filter((path) => path !== undefined && existsSync(path));
}

/** The places that apt has for a suite, in the form of sources.list without the suite's name. */
function aptPlaces() {
  const format = '$(RELEASE)|$(COMPONENT)|$(REPO_URI)';
  const lines = output('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
  const codename = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  const rows = lines.split('\n').map((line) => line.split('|'));
  return rows
    .filter(([release, component]) => component === 'main' && release.startsWith(`${codename}`))
    .map(([release, , uri]) => ({ ending: release.slice(codename.length), uri }))
    .filter(({ ending }) => ['', '-updates', '-security'].includes(ending));
}

/** This machine's place for Debian itself, or undefined: debootstrap has one of its own. */
export function debianMirror() {
  const isDebian = /^ID=debian$/m.test(readFileSync('/etc/os-release', 'utf8'));
  return isDebian ? aptPlaces().find(({ ending }) => ending === '')?.uri : undefined;
}

/** How apt is to connect: proxies, retries, and whether the clock may be trusted. */
function aptConnection(hasBundle) {
  const wanted = /^Acquire::(https?::(Proxy|Timeout)|Retries|Check-Date|Check-Valid-Until)\b/i;
  const lines = output('apt-config', ['dump'])
    .split('\n')
    .filter((line) => wanted.test(line));
  if (hasBundle) lines.push(`Acquire::https::CaInfo "${bundleInside}";`);
  return `${lines.join('\n')}\n`;
}

/**
 * Writes the settings into the bare root of a suite.
 *
 * @returns The environment in which commands run there: these settings and what any login has.
 */
export function applySettings(folder, suite) {
  const npm = npmSettings();
  for (const name of ['resolv.conf', 'hosts']) {
    // What may be a link in the root is a file of its own then.
    rmSync(`${folder}/etc/${name}`, { force: true });
    if (existsSync(`/etc/${name}`)) {
      writeFileSync(`${folder}/etc/${name}`, readFileSync(`/etc/${name}`));
    }
  }
  const trusted = trustedFiles(npm.cafile);
  if (trusted.length > 0) {
    mkdirSync(dirname(`${folder}${bundleInside}`), { recursive: true });
    const text = trusted.map((path) => readFileSync(path, 'utf8')).join('\n');
    writeFileSync(`${folder}${bundleInside}`, text);
  }
  if (existsSync(ownAuthorities)) {
    mkdirSync(`${folder}${ownAuthorities}`, { recursive: true });
    cpSync(ownAuthorities, `${folder}${ownAuthorities}`, { recursive: true });
  }
  const places = debianMirror() === undefined ? [] : aptPlaces();
  if (places.length > 0) {
    const lines = places.map(({ ending, uri }) => `deb ${uri} ${suite}${ending} main\n`);
    writeFileSync(`${folder}/etc/apt/sources.list`, lines.join(''));
  }
  writeFileSync(`${folder}/etc/apt/apt.conf.d/90machine`, aptConnection(trusted.length > 0));
  const certificates =
    trusted.length > 0
      ? {
          NODE_EXTRA_CA_CERTS: bundleInside,
          npm_config_cafile: bundleInside,
          PIP_CERT: bundleInside,
        }
      : {};
  const env = { ...npm.env, ...pipSettings(), ...proxySettings(), ...certificates };
  return {
    ...Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined)),
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
  };
}
